"""What people see: pictures and the explorer page, drawn from arrays.

The report stage calls, in this order::

    summary = summarise(explanation)                          # summary: reads all values once
    scale = Scale(summary.limit, params.report.colormap)      # scale
    draw_sheets(folder, explanation, summary, scale)          # sheets
    draw_class_means(folder, explanation, summary, scale)     # class_means
    draw_contrasts(folder, explanation, summary, scale, test_labels, test_probabilities)
    draw_samples(folder, images, labels, class_names, "training")
    explanation_metrics(explanation, summary)                 # summary: metrics/explain.json
    write_attribution_table(path, explanation, summary)       # summary: a CSV row an image
    write_explorer(path, explanation, summary, scale, test_labels, test_probabilities,
                   params, metrics)                           # explorer
"""

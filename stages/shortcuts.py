"""Find shortcuts of the network, and prove them by experiment: `python -m stages.shortcuts`."""

from pathlib import Path

from stages.artifacts.splits import load_info
from stages.base.files.tables import write_csv
from stages.base.params.sections import DeviceName, StageParams
from stages.base.run.progress import progress_folder
from stages.base.run.rank import rank
from stages.base.run.stage import run_stage
from stages.networks.checkpoint import load_checkpoint
from stages.networks.device import choose_device, configure_process_for
from stages.params.shortcuts import HowToExplain, ShortcutSearch
from stages.ranks import launch
from stages.ranks.shards import shards_of
from stages.shortcut_search.all_classes import Network, nothing_found, search_classes
from stages.shortcut_search.maps import choose_images, load_maps, prepare

TABLE = Path("plots/shortcuts.csv")
NEEDS_LESS = "fewer images (shortcuts.n_images), or fewer background images (explain.n_background)"


class Params(StageParams):
    """The parameters that this stage reads."""

    device: DeviceName
    explain: HowToExplain
    shortcuts: ShortcutSearch


def main(params: Params) -> None:
    """Explain the predicted class of many images, search each class, write."""
    options, info = params.shortcuts, load_info()
    chosen = choose_images(options.split, options.n_images, params.explain.seed)
    if len(chosen.indices) == 0 or info.multiple:
        result = nothing_found(info, chosen)
    else:
        device = choose_device(params.device)
        configure_process_for(device)
        network = load_checkpoint(device).network.requires_grad_(False)
        shards = shards_of(len(chosen.indices), progress_folder("shortcuts", params))
        prepare(network, device, params.explain).explain(shards, chosen)
        if rank() > 0:
            return
        result = search_classes(
            Network(network, device),
            chosen,
            load_maps(shards),
            info.class_names,
            params.explain.seed,
        )
    result.save()
    write_csv(TABLE, result.table)
    print(f"shortcuts: {len(result.findings)} found")


if __name__ == "__main__":
    run_stage(main, Params, NEEDS_LESS, launch)

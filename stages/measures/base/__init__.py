"""What the measures share: what is measured, masked images, and maps to compare with."""

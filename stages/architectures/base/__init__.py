"""What the networks of model libraries share. For architectures alone."""

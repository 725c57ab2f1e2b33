"""What the shipped experiments of the papers share: their scales and claims."""

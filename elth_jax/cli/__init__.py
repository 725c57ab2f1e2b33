"""The words of the command `elth-jax`, beside `run`."""

"""Studies: graphs of training runs, each done once and kept."""

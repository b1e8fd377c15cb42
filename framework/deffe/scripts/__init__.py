"""Users' scripts: values put in place, quoting, processes."""

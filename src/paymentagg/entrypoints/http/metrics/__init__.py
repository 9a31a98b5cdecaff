"""What the server counts about itself, for Prometheus. No metric has a label that a client or a patient chooses."""

"""Programs that run as pods of the stack."""

"""What operators need: alerts, backups, history, the machine, demand."""

"""What benchmarks of recovery share: tasks, entrants, scores and stored rows."""

"""Runs jobs and calls on a Slurm cluster: packed into array tasks, ended by marks on the shared disk, found again."""

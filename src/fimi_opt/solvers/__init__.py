"""The solvers: P6 (data amounts), P7 (bandwidth), P1 (all at once); they see arrays and scalars only."""

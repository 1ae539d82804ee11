"""What the benchmarks of households in zones share: problems, folders, running other programs."""

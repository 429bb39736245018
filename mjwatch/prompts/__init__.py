"""What people write: prompt files, parameters, permutations, wildcards. Pure."""

"""Whether a setting holds a secret, by its name and its value: one meaning for environments, arguments and files of every provider."""

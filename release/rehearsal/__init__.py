"""The rehearsal: the whole life of two real models, played through the commands a person or CI would type."""

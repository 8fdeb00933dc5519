"""Plans handed over to federated-learning frameworks: one subpackage or file each, and an extra for what it needs."""

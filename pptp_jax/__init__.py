"""pptp_jax."""

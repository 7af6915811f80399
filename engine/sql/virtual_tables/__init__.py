"""Relations whose rows are computed: pg_stat_activity, pg_settings (README.md)."""

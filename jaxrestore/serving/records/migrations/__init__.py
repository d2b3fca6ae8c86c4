"""How the tables of the records came to be, for Alembic."""

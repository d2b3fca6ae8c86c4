"""The pages of the web app: forms that work without scripts, and scripts that help."""

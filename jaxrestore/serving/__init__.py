"""The web app: pictures uploaded, restored and downloaded, by many people at once."""

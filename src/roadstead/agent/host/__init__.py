"""The host role: carries out what the watch stream says this host shall have, and reports what it observed."""

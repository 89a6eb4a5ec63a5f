"""OCI image layouts, as directories and tar files, and the archives of docker save."""

"""What a request to a service of somebody else's is about: names, actions, resources, and the signatures of its parts."""

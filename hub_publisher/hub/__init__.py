"""The Hub: the client that is patient, the target, the repository, and the stages that publish and load back."""

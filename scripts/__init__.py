"""What people and CI run alike: setup, the engine's build, checks and tests."""

"""Real servers for tests: over sockets, in the test's own process, scripted per test."""

"""What must still hold after a crash: checkers, and the suites that run them."""

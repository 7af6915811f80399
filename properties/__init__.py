"""What must hold, whatever breaks: checkers over histories, independent of the engine."""

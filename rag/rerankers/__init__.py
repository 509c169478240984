"""Models that read question and passage together and put the candidates in a better order."""

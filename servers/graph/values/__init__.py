"""What nGQL computes with: the types of values, their arithmetic, comparison, order and attributes."""

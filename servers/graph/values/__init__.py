"""What nGQL computes with: values, their arithmetic, comparison and order."""

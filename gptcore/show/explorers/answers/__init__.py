"""What demonstrations are worth: accuracies on record, and single answers."""

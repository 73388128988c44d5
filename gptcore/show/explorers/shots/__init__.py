"""What demonstrations in a prompt are worth: accuracies, and which question they ask."""

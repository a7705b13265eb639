"""What is in the account: seeds that make it through the API, a theme a file, and answers that moto cannot hold."""

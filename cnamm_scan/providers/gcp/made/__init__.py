"""What is made of the collected tables of Google Cloud: who may do what, what is open, which constraints hold."""

"""What can be had between the base and the tuned model?"""

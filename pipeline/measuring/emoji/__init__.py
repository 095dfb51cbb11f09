"""What do emoji mean to the model?"""

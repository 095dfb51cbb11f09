"""How much general English was kept?"""

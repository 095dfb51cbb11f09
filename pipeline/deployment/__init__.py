"""What is done with a tuned model outside the story.

export    ONNX, in float32 and int8, with what runs it beside it
demo      a page on this machine to try models on
push      a model on the Hub
shipped/  what lies beside an exported model: runs with neither torch nor Retone
"""

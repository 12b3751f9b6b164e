"""The control plane's question: where would this request go, and why?"""

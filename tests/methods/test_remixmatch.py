CONTRACT = [{"num_strong": 1, "pretext": "order", "mix_at": "hidden", "mix_layers": [1]}]

CONTRACT = [{"mix_at": "pooled"}]

"""Signs standard input as a payment provider does, with the provider's own library: sign.py PROVIDER SECRET SECONDS."""

import hashlib
import hmac
import json
import sys

provider, secret, at = sys.argv[1:]
body = sys.stdin.read()

if provider == "stripe":
    import stripe

    signed = f"{at}.{body}"
    signature = f"t={at},v1={stripe.WebhookSignature._compute_signature(signed, secret)}"
    # What the library itself takes, clocks aside, is what we are to take.
    stripe.WebhookSignature.verify_header(body, signature, secret, tolerance=None)
else:
    import razorpay

    signature = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
    razorpay.Client(auth=("key", "secret")).utility.verify_webhook_signature(body, signature, secret)

print(json.dumps({"signature": signature}))

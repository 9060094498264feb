"""callctl: call control with live prepaid charging for national business numbers, on Asterisk.

Read it downwards, as a call goes: `exchange` accepts a channel, `flows` holds the script of the
call, `routing` and `rating` decide, `charging` and `ledger` hold the money, `cdr` records.
"""

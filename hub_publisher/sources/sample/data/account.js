window.YTD.account.part0 = [
  {"account": {"email": "lampkeeper@example.org", "createdVia": "web", "username": "lampkeeper_bot", "accountId": "1630855392261046279", "createdAt": "2023-03-01T09:00:00.000Z", "accountDisplayName": "Wick, the Lamp Keeper"}}
]

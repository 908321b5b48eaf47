window.YTD.direct_messages.part0 = [
  {"dmConversation": {"conversationId": "900000000000000001-1630855392261046279", "messages": [{"messageCreate": {"recipientId": "1630855392261046279", "reactions": [], "urls": [], "text": "PRIVATE-DM-CANARY-LANTHORN: nobody may ever read this file.", "mediaUrls": [], "senderId": "900000000000000001", "id": "1756040267166646273", "createdAt": "2024-02-09T19:40:00.000Z"}}]}}
]

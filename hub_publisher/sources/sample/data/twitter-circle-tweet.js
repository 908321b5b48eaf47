window.YTD.twitter_circle_tweet.part0 = [ ]

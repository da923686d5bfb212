package storagetest

var peopleTests = []named{}

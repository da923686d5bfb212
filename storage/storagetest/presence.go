package storagetest

var presenceTests = []named{}
